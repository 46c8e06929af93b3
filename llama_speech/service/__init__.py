"""The real-time service: a conversation as a state machine, one model for all sessions, its addresses."""
