"""Where bytes come from: a local mirror, an official archive or a registry package."""
