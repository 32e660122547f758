"""``python -m flows.stack.mlflow_login``: gives MLflow's user the password that the configuration names.

MLflow itself takes it from there once, when it makes the user: a password that was lost, or must not be known any more,
would stay in its database. Its configuration is named by ``MLFLOW_AUTH_CONFIG_PATH``, as for the server.
"""

from mlflow.server.auth.config import read_auth_config
from mlflow.server.auth.sqlalchemy_store import SqlAlchemyStore


def main() -> None:
    """Changes the password, if there is such a user and it has another one."""
    configured, store = read_auth_config(), SqlAlchemyStore()
    store.init_db(configured.database_uri)
    user, password = configured.admin_username, configured.admin_password
    if store.has_user(user) and not store.authenticate_user(user, password):
        store.update_user(user, password=password)


if __name__ == "__main__":
    main()
