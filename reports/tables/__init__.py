"""Tables: board, leaderboard, comparison, breakdowns, cost."""
