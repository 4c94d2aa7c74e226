"""A delivered file becomes typed, valid rows, quarantined lines and one line in the ledger of deliveries.

Belongs here: contracts, formats, rules on rows, the ledger. Does not: outcomes, cells, comparisons of municipalities.
"""

from kkz_eval.intake.arrival import year_of
from kkz_eval.intake.contract import SOURCES, Contract, read_contract, shipped_contract, shipped_contracts
from kkz_eval.intake.figures import deliver_official, store_figures
from kkz_eval.intake.ledger import DeliveryReport, create_tables, source_fingerprint
from kkz_eval.intake.load import check, deliver
from kkz_eval.intake.validate import Keys

__all__ = [
    "SOURCES",
    "Contract",
    "DeliveryReport",
    "Keys",
    "check",
    "create_tables",
    "deliver",
    "deliver_official",
    "read_contract",
    "shipped_contract",
    "shipped_contracts",
    "source_fingerprint",
    "store_figures",
    "year_of",
]
