package sqlstore

import (
	"embed"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
)

//go:embed migrations
var migrations embed.FS

// SQLite returns the goose migrations that make the tables on SQLite, in the root of the file system.
func SQLite() fs.FS { return folder("migrations/sqlite") }

// Postgres returns the goose migrations that make the same tables on PostgreSQL, with the same numbers.
func Postgres() fs.FS { return folder("migrations/postgres") }

func folder(name string) fs.FS {
	sub, err := fs.Sub(migrations, name)
	if err != nil {
		panic(err) // the folder is part of the program
	}
	return sub
}

// Pending names the migrations with a number above have, in their order.
func Pending(migrations fs.FS, have int64) ([]string, error) {
	names, err := fs.Glob(migrations, "*.sql")
	if err != nil {
		return nil, fmt.Errorf("listing migrations: %w", err)
	}
	var pending []string
	for _, name := range names {
		v, err := goose.NumericComponent(name)
		if err != nil {
			return nil, fmt.Errorf("numbering migration %s: %w", name, err)
		}
		if v > have {
			pending = append(pending, name)
		}
	}
	return pending, nil
}

// Latest is the highest number that a migration's file name begins with; 0 if there are none.
func Latest(migrations fs.FS) (int64, error) {
	names, err := fs.Glob(migrations, "*.sql")
	if err != nil {
		return 0, fmt.Errorf("listing migrations: %w", err)
	}
	var latest int64
	for _, name := range names {
		v, err := goose.NumericComponent(name)
		if err != nil {
			return 0, fmt.Errorf("numbering migration %s: %w", name, err)
		}
		latest = max(latest, v)
	}
	return latest, nil
}
