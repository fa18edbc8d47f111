"""Recommender systems on MovieLens: rating prediction and ranking, side by side."""
