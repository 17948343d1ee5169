"""Everything that talks to the outside: one package per engine or network. Rules do not live here."""
