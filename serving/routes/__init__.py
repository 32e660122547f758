"""What is answered under which path; what the routes need is the Worker in ``app.state.worker``."""
