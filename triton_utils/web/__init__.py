"""The parts of the web app: settings, limits, errors, metrics, schemas, the deployed products."""
