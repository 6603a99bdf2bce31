"""Serving with Triton: export, deployment, server, client, web app."""
