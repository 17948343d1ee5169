"""Journeys: people who use the whole platform through HTTP alone, on the real engines and chains, faults included."""
