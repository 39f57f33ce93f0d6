"""Reinforcement learning environments for copyright budget allocation in generative art."""
