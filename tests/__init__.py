"""What proves the platform: unit, contracts, integration, journeys, architecture, bench."""
