package app

import (
	"bytes"
	"encoding/base64"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"symbolon/internal/config"
	"symbolon/internal/secret"
	"symbolon/internal/store/sqlite"
	"symbolon/internal/store/sqlstore"
	"symbolon/internal/token"
)

// schemaOf makes a database of the first few migrations, without any rows of ours.
func schemaOf(t *testing.T, conf *config.Config, migrations fs.FS) {
	t.Helper()
	if err := os.MkdirAll(conf.Data, 0o700); err != nil {
		t.Fatal(err)
	}
	db, err := sqlite.Open(t.Context(), sqlite.Options{Path: sqlitePath(conf), Migrations: migrations})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// firstMigrations are those with numbers up to n, and for a higher n some more.
func firstMigrations(t *testing.T, n int) fs.FS {
	t.Helper()
	all, some := sqlstore.SQLite(), fstest.MapFS{}
	names, err := fs.Glob(all, "*.sql")
	if err != nil || len(names) < 3 {
		t.Fatal(names, err)
	}
	for _, name := range names[:min(n, len(names))] {
		text, err := fs.ReadFile(all, name)
		if err != nil {
			t.Fatal(err)
		}
		some[name] = &fstest.MapFile{Data: text}
	}
	for i := len(names); i < n; i++ {
		some["09000_newer.sql"] = &fstest.MapFile{Data: []byte("-- +goose Up\nCREATE TABLE newer (id INTEGER PRIMARY KEY);\n")}
	}
	return some
}

// inStore does something as another program on the same database.
func inStore(t *testing.T, conf *config.Config, at time.Time, do func(*sqlstore.Store)) {
	t.Helper()
	now := func() time.Time { return at }
	a, err := Open(t.Context(), Options{Config: conf, Now: now, Log: slog.New(slog.DiscardHandler), Hasher: cheap()})
	if err != nil {
		t.Fatal(err)
	}
	do(a.Store)
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestDoctor: for each kind of trouble what is wrong, and what to do.
func TestDoctor(t *testing.T) {
	write := func(file, text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	now := time.Now()
	for name, c := range map[string]struct {
		trouble func(*testing.T, *config.Config) // made on a store that was served once
		what    string
		wrong   string // pattern; "" where it is a note
		note    string // pattern
	}{
		"nothing": {func(*testing.T, *config.Config) {}, "store", "", "^$"},
		"no database": {func(_ *testing.T, c *config.Config) { c.Store = "sqlite:" + filepath.Join(c.Data, "other.db") },
			"store", "^there is no database at .*other.db: start `symbolon serve` once, or point at", ""},
		"no database of ours": {func(_ *testing.T, c *config.Config) {
			c.Store = "sqlite:" + filepath.Join(c.Data, "text.db")
			write(filepath.Join(c.Data, "text.db"), strings.Repeat("this is no database\n", 1000))
		}, "store", "is no SQLite file: restore it from a backup, or name another file", ""},
		"older schema": {func(t *testing.T, c *config.Config) {
			c.Store = "sqlite:" + filepath.Join(c.Data, "older.db")
			schemaOf(t, c, firstMigrations(t, 3))
		}, "store", `^the schema lacks 00004_nodes.sql, 00005_pages.sql.*: run .symbolon migrate., or start this program's server$`, ""},
		"newer schema": {func(t *testing.T, c *config.Config) {
			c.Store = "sqlite:" + filepath.Join(c.Data, "newer.db")
			schemaOf(t, c, firstMigrations(t, 1000))
		}, "store", "has schema 9000 and this program knows only [0-9]+: install the newer release", ""},
		"key file gone": {func(t *testing.T, c *config.Config) { c.VerifierKeyFile = filepath.Join(t.TempDir(), "none") },
			"services", "none: no such file", ""},
		"weak access key": {func(t *testing.T, c *config.Config) {
			c.Services[0].Sesar.AccessKeyFile = writeFile(t, filepath.Join(t.TempDir(), "key"), []byte("short"))
		}, "configuration", "key", ""},
		"master key gone": {func(t *testing.T, c *config.Config) { os.Remove(c.MasterKeyPath()) },
			"signing keys", "^the master key file .* is missing, and the [0-9]+ keys in the store are sealed under it: put it back from your backup", ""},
		"another master key": {func(t *testing.T, c *config.Config) {
			write(c.MasterKeyPath(), base64.StdEncoding.EncodeToString(secret.Random(32)))
		}, "signing keys", "cannot be opened with this master key.*; give the master key that the data was made with", ""},
		"service without keys": {func(_ *testing.T, c *config.Config) {
			more := c.Services[0]
			sesar := *more.Sesar
			sesar.JSONPath = "/more-api"
			more.Name, more.Path, more.Sesar = "more", "/more", &sesar
			c.Services = append(c.Services, more)
		}, "signing keys", "", "^the next start makes, or takes in, those of more access, more refresh$"},
		"clock behind": {func(t *testing.T, c *config.Config) {
			inStore(t, c, now.Add(time.Hour), func(s *sqlstore.Store) {
				if err := s.Alive(t.Context(), token.AliveVerb{Run: 1, Now: now.Add(time.Hour)}); err != nil {
					t.Fatal(err)
				}
			})
		}, "clock", `^the clock is (1h0m0|59m59)s behind the highest time that was ever seen: set it; until then nothing is purged$`, ""},
		"clock jumped": {func(t *testing.T, c *config.Config) {
			inStore(t, c, now, func(s *sqlstore.Store) {
				if err := s.Alive(t.Context(), token.AliveVerb{Run: 1, Now: now, Hold: 3 * time.Hour}); err != nil {
					t.Fatal(err)
				}
			})
		}, "clock", "", "^the clock jumped: nothing is purged for another 3h0m0s of running$"},
		"server of another configuration": {func(t *testing.T, c *config.Config) {
			inStore(t, c, now, func(s *sqlstore.Store) {
				s.ServeAs(sqlstore.Node{Name: "two", Version: "9", Fingerprint: "other"})
				run, _, err := s.Start(t.Context(), now, nil)
				if err == nil {
					err = s.Alive(t.Context(), token.AliveVerb{Run: run, Now: now})
				}
				if err != nil {
					t.Fatal(err)
				}
			})
		}, "servers", "^two has another configuration than this one: give all the same$", ""},
		"proxy not trusted": {func(_ *testing.T, c *config.Config) { c.BaseURL = "https://tokens.example.org" },
			"proxies", "", "trusted_proxies names none"},
		"directory away": {func(_ *testing.T, c *config.Config) {
			c.LDAP.Servers, c.LDAP.Plain, c.LDAP.UserDN, c.LDAP.Timeout = []string{"ldap://127.0.0.1:1"}, true, "uid=NAME,dc=example,dc=org", config.Duration(time.Second)
		}, "sign-in by LDAP", "127.0.0.1:1.*refused", ""},
		"provider away": {func(t *testing.T, c *config.Config) {
			file := writeFile(t, filepath.Join(t.TempDir(), "secret"), []byte("a-secret-of-the-provider"))
			c.SignIn.Providers = []config.Provider{{Name: "dead", Kind: "oidc", Label: "Dead", Issuer: "http://127.0.0.1:1", ClientID: "x", ClientSecretFile: file}}
		}, "sign-in with dead", "127.0.0.1:1.*refused", ""},
	} {
		t.Run(name, func(t *testing.T) {
			conf := small(t)
			mustOpen(t, conf)
			c.trouble(t, conf)
			found := Diagnose(t.Context(), conf, func() time.Time { return now })
			i := slices.IndexFunc(found, func(f Finding) bool { return f.What == c.what })
			if i < 0 {
				t.Fatalf("nothing is said of %s: %+v", c.what, found)
			}
			if got := found[i]; !regexp.MustCompile("(?s)"+c.wrong).MatchString(got.Wrong) || (c.wrong == "") != (got.Wrong == "") ||
				!regexp.MustCompile(c.note).MatchString(got.Note) {
				t.Errorf("of %s it says %+v, want %q, %q", c.what, got, c.wrong, c.note)
			}
			var out bytes.Buffer
			if err := WriteFindings(&out, found); err != nil || strings.Contains(out.String(), "WRONG") != slices.ContainsFunc(found, func(f Finding) bool { return f.Wrong != "" }) {
				t.Errorf("printed (%v):\n%s", err, out.String())
			}
		})
	}
}

// TestDoctorChangesNothing: not on a store that was never served, and not on one that was.
func TestDoctorChangesNothing(t *testing.T) {
	fresh, served := small(t), small(t)
	schemaOf(t, fresh, sqlstore.SQLite())
	mustOpen(t, served)
	for name, conf := range map[string]*config.Config{"fresh": fresh, "served": served} {
		read := func() (files []string, content string) {
			names, err := filepath.Glob(filepath.Join(conf.Data, "*"))
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range names {
				if !strings.HasSuffix(name, "-shm") && !strings.HasSuffix(name, "-wal") && !strings.HasSuffix(name, ".lock") {
					files = append(files, name)
				}
			}
			inStore(t, conf, time.Now(), func(s *sqlstore.Store) {
				keys, err := s.Keys(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				for _, k := range keys {
					content += k.KID + k.State + " "
				}
			})
			return files, content
		}
		files, keys := read()
		for _, f := range Diagnose(t.Context(), conf, time.Now) {
			if f.Wrong != "" {
				t.Errorf("%s: %+v", name, f)
			}
			if f.What == "signing keys" && (f.Note == "") == (name == "fresh") {
				t.Errorf("%s: %+v", name, f)
			}
		}
		filesAfter, keysAfter := read()
		if diff := cmp.Diff(files, filesAfter); diff != "" || keys != keysAfter || (keys == "") != (name == "fresh") {
			t.Errorf("%s: keys before %q, after %q; files (-before +after):\n%s", name, keys, keysAfter, diff)
		}
	}
}
