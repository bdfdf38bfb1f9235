//go:build e2e

// Command benchgrowth fills both stores with accounts, grants and revocations, and measures how long a server then takes
// to start and how much memory it has:
//
//	go run -tags e2e ./e2e/benchgrowth -binary ./symbolon
package main

import (
	"bufio"
	"context"
	"database/sql"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	_ "modernc.org/sqlite"             // the driver "sqlite"

	"symbolon/internal/store/postgres/pgtest"
)

const starts = 3

const conf = `listen: 127.0.0.1:0
data: %s
store: %s
base_url: http://tokens.localhost
log_level: error
services:
  - {name: samples, dialect: sesar, path: /webservices, json_path: /api}
`

// size is what the stores are filled with.
type size struct{ accounts, grants, revoked int }

func main() {
	binary := flag.String("binary", "./symbolon", "the program to measure")
	parts := flag.Int("parts", 1, "fill only this part of a million accounts, such as 10 for a tenth")
	flag.Parse()
	if err := run(*binary, size{1_000_000 / *parts, 5_000_000 / *parts, 500_000 / *parts}); err != nil {
		fmt.Fprintln(os.Stderr, "benchgrowth:", err)
		os.Exit(1)
	}
}

func run(binary string, full size) error {
	dir, err := os.MkdirTemp("", "symbolon-growth-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "symbolon.db")
	if err := measure(binary, dir, "SQLite", "sqlite:"+file, "sqlite", file, full); err != nil {
		return err
	}
	pg, err := pgtest.Start("fsync=off", "max_wal_size=8GB", "maintenance_work_mem=512MB")
	if err != nil {
		return err
	}
	defer pg.Close()
	if err := pg.Create("symbolon"); err != nil {
		return err
	}
	return measure(binary, filepath.Join(dir, "pg"), "PostgreSQL", pg.URL("symbolon"), "pgx", pg.URL("symbolon"), full)
}

// measure starts a server on an empty store, fills that, and starts the server again.
func measure(binary, dir, name, store, driver, address string, full size) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	file := filepath.Join(dir, "symbolon.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, conf, filepath.Join(dir, "data"), store), 0o600); err != nil {
		return err
	}
	if _, _, err := start(binary, file); err != nil { // makes tables and keys
		return err
	}
	if err := report(binary, file, name+", empty"); err != nil {
		return err
	}
	begin := time.Now()
	if err := fill(driver, address, full); err != nil {
		return fmt.Errorf("filling %s: %w", name, err)
	}
	fmt.Fprintf(os.Stderr, "%s was filled in %s\n", name, time.Since(begin).Round(time.Second))
	return report(binary, file, fmt.Sprintf("%s, %d accounts, %d grants, %d revoked", name, full.accounts, full.grants, full.revoked))
}

func report(binary, file, what string) error {
	var times, sizes []string
	var all []time.Duration
	for range starts {
		took, rss, err := start(binary, file)
		if err != nil {
			return err
		}
		all = append(all, took)
		sizes = append(sizes, rss)
	}
	slices.Sort(all)
	for _, d := range all {
		times = append(times, d.Round(time.Millisecond).String())
	}
	fmt.Printf("%s: ready after %s; resident %s\n", what, strings.Join(times, ", "), strings.Join(sizes, ", "))
	return nil
}

// start starts a server, and ends it when it serves; it returns how long that took and the memory it then has.
func start(binary, file string) (took time.Duration, rss string, err error) {
	cmd := exec.Command(binary, "serve", "--config", file)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, "", err
	}
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, "", err
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		return 0, "", fmt.Errorf("starting the server: %w", err)
	}
	took = time.Since(begin)
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			rss = strings.TrimSpace(value)
		}
	}
	_ = cmd.Process.Signal(os.Interrupt)
	_, _ = io.Copy(io.Discard, out)
	return took, rss, errOr(err, cmd.Wait())
}

func errOr(first, second error) error {
	if first != nil {
		return first
	}
	return second
}

// count is a table of the numbers from 1 to a million, in words that both engines know.
const count = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) `

// fill writes in portions, so that no transaction grows without end.
func fill(driver, address string, full size) error {
	db, err := sql.Open(driver, address)
	if err != nil {
		return err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	const portion = 100_000
	now := time.Now().UnixMilli()
	end := time.Now().AddDate(0, 0, 20).UnixMilli()
	exec := func(format string, args ...any) error {
		_, err := db.ExecContext(context.Background(), fmt.Sprintf(format, args...))
		return err
	}
	for from := 0; from < full.accounts; from += portion {
		if err := exec(`INSERT INTO accounts (name, name_key, type, status, display, email, password_hash, created_at, updated_at) `+count+
			`SELECT 'person-' || (i + %d), 'person-' || (i + %d), 'person', 'active', '', '', '', %d, %d FROM n`,
			min(portion, full.accounts-from), from, from, now, now); err != nil {
			return err
		}
	}
	every := full.grants / full.revoked
	for from := 0; from < full.grants; from += portion {
		if err := exec(`INSERT INTO grants (nonce, account_id, service, kind, label, scope, subject, generation, issued_at, expires_at,
				dead_at, revoked_at, revoked_reason, answer_lost, preview, use_count, addr, agent) `+count+
			`SELECT i, (i + %d) %% %d + 1, 'samples', 'pair', 'bench', '', '', 0, %d, %d, %d,
				CASE WHEN i %% %d = 0 THEN %d END, '', 0, '', 0, '', '' FROM n`,
			min(portion, full.grants-from), from, full.accounts, now, end, end, every, now); err != nil {
			return err
		}
	}
	if driver == "pgx" { // as PostgreSQL does by itself where it fills in months and not in a minute
		return exec("VACUUM ANALYZE")
	}
	return nil
}
