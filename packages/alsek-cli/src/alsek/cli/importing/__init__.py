"""Finding the tasks of an application: importing its modules."""
