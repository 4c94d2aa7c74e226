"""The one family of errors a user can meet. What belongs here: exception types. What does not: handling them."""


class KkzError(Exception):
    """A fault that the user can mend.

    The message is one plain sentence: what is wrong, where (file, line, column), which rule, what to do.
    It never holds a value of a child's record.
    """


class PlanError(KkzError):
    """The plan asks for something that does not exist or contradicts itself."""


class DeliveryError(KkzError):
    """A delivered file cannot be taken in. `code` is the stable name of the rule that refused it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class WarehouseError(KkzError):
    """The database of the study cannot be opened, or a table breaks its contract."""


class ContractError(WarehouseError):
    """A table breaks the contract of its header: columns, or a key that has gaps or repeats."""


class EstimationError(KkzError):
    """The data do not allow the estimate that was asked for."""


class DisclosureError(KkzError):
    """A table would let something out that must stay in."""
