"""Operations by themselves: no SVM, no server; a database only where the database is what is tested."""
