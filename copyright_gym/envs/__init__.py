"""Gymnasium environments: thin views over the market kernel."""
