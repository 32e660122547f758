-- The databases of MLflow and Prefect, made when the cluster is: each role owns its own, and may do nothing else.
-- A statement that fails is not repeated in the log, for it may hold a password.
SET log_min_error_statement = panic;
\set mlflow `cat /run/secrets/postgres-mlflow`
\set prefect `cat /run/secrets/postgres-prefect`
CREATE ROLE mlflow LOGIN PASSWORD :'mlflow';
CREATE ROLE prefect LOGIN PASSWORD :'prefect';
CREATE DATABASE mlflow OWNER mlflow;
CREATE DATABASE prefect OWNER prefect;
REVOKE ALL ON DATABASE mlflow, prefect FROM PUBLIC;
\connect prefect
CREATE EXTENSION pg_trgm;
