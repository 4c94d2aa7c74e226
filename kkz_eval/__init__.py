"""Did a municipal prevention programme work, and when can that be known?

The science of the project: plans, deliveries, cells, estimates, released tables. It never imports dagster;
orchestration lives in `pipelines`.
"""
