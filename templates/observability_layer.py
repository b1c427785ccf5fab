"""The observability layer: alarms on the other layers, and the dashboard."""

from troposphere import Template
from troposphere.cloudwatch import Dashboard

from templates import dashboard, edge_layer
from templates.alarms import alarms
from templates.deployment import Deployment
from templates.deployment_sections import SelfSignedCertificate
from templates.rendering import new_template

LAYER = "observability"


def build(deployment: Deployment) -> Template:
    """Return the template of the observability layer."""
    template = new_template(deployment, LAYER, "alarms and the dashboard")
    if isinstance(deployment.domain, SelfSignedCertificate):
        edge_layer.add_certificate_parameter(template)
    for alarm in alarms(deployment):
        template.add_resource(alarm.resource(deployment))
    template.add_resource(
        Dashboard(
            "Dashboard",
            DashboardName=deployment.name,
            DashboardBody=dashboard.body(deployment),
        )
    )
    return template
