"""The parts of the web app: settings, routes, limits, errors, metrics, schemas, the deployed products."""
