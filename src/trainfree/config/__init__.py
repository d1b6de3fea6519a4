"""The configuration: one model, checked before the workflow knows any job.

``config/schemas/config.schema.json`` is generated from these models (``trainfree config-schema``)
and a test keeps the two in step. Defaults live here; the YAML files hold what differs.
"""

from trainfree.config.files import load_config, parse_config, schema_json, workflow_config
from trainfree.config.model import Config

__all__ = ["Config", "load_config", "parse_config", "schema_json", "workflow_config"]
