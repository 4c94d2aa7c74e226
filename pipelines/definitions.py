"""Assembly only: workspace.yaml points here.

Loading it opens no database and imports neither pandas nor statsmodels.
"""

import dagster as dg

from pipelines.automation import evaluation, new_files
from pipelines.checks import check_definitions
from pipelines.deliveries import delivery_assets
from pipelines.estimates import made_assets
from pipelines.release import release_assets
from pipelines.resources import StudyResource
from pipelines.tables import table_assets


def build_definitions(study: StudyResource | None = None) -> dg.Definitions:
    """All definitions; tests hand in the study they work on."""
    return dg.Definitions(
        assets=[*delivery_assets(), *table_assets(), *made_assets(), *release_assets()],
        asset_checks=check_definitions(),
        jobs=[evaluation],
        sensors=[new_files],
        resources={"study": study or StudyResource()},
        executor=dg.in_process_executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """What Dagster loads."""
    return build_definitions()
