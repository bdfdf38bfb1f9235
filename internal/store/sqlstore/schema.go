package sqlstore

import (
	"embed"
	"io/fs"
)

//go:embed migrations
var migrations embed.FS

// SQLite returns the goose migrations that make the tables on SQLite, in the root of the file system.
func SQLite() fs.FS {
	sub, err := fs.Sub(migrations, "migrations/sqlite")
	if err != nil {
		panic(err) // the folder is part of the program
	}
	return sub
}
