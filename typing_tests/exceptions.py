"""The types of the errors: checked, never run."""

from typing import assert_type

from gmemflags import (
    CapabilityQueryError,
    CatalogError,
    FlagSyntaxError,
    GmemFlagsError,
    GuestMemfdCreateError,
    InconsistentAnswerError,
    InvalidMaskError,
    KvmUnavailableError,
    NegotiationError,
    NegotiationTooHardError,
    PoolError,
    RecordError,
    Resolution,
    Support,
    Unavailable,
)


def errors(  # noqa: PLR0917  # one of each
    mask: InvalidMaskError,
    syntax: FlagSyntaxError,
    catalog: CatalogError,
    record: RecordError,
    pool: PoolError,
    refusal: NegotiationError,
    hard: NegotiationTooHardError,
    answer: InconsistentAnswerError,
) -> None:
    """What went wrong, as data."""
    assert_type((mask.value, mask.needed), tuple[str, str])
    assert_type((syntax.text, syntax.position), tuple[str, int])
    assert_type((syntax.problem, syntax.nearest), tuple[str, str | None])
    assert_type((catalog.catalog, catalog.problem), tuple[str, str])
    assert_type((record.path, record.problem), tuple[str, str])
    assert_type((pool.origin, pool.problem), tuple[str, str])
    assert_type(refusal.resolution, Resolution)
    assert_type((hard.catalog, hard.steps), tuple[str, int])
    assert_type((answer.capability, answer.raw), tuple[str, object])
    assert_type((answer.problem, answer.origin), tuple[str, str])
    values: list[ValueError] = [mask, syntax, catalog, record, pool]
    assert values


def os_errors(
    kvm: KvmUnavailableError, query: CapabilityQueryError, create: GuestMemfdCreateError
) -> None:
    """Those of the kernel keep errno."""
    assert_type((kvm.what, kvm.remedy), tuple[str, str])
    assert_type(kvm.reason, Unavailable)
    assert_type((query.number, query.origin), tuple[int, str])
    assert_type(create.size, int)
    assert_type((create.mask, create.meaning), tuple[int, str])
    assert_type(create.support, Support | None)
    assert_type(create.resolution, Resolution | None)
    errors: list[OSError] = [kvm, query, create]
    assert errors


def root(error: GmemFlagsError) -> None:
    """The root has no errno: that is for its OSErrors."""
    assert error.errno  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
