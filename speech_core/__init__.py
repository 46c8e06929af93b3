"""What every package needs: errors, streaming contract, audio, masks, attention, checkpoints."""
