//go:build e2e

package main

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"slices"
	"strconv"
	"strings"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // database/sql's "pgx"
	_ "modernc.org/sqlite"             // and "sqlite"
)

const (
	goroutines  = "go_goroutines"
	liveHeap    = "go_gc_heap_live_bytes"
	descriptors = "process_open_fds"
	resident    = "process_resident_memory_bytes"
	cpuSeconds  = "process_cpu_seconds_total"
	lostAnswers = `symbolon_replays_total{kind="lost_answer"}`
	fileSize    = "database"
)

// quantity is one that must not grow while nothing is restarted.
type quantity struct {
	name, title string
	unit        float64
	share, more float64 // how much more the last quarter may have than the first, by the least of each: a share and so much
}

const (
	mib     = 1 << 20
	longRun = 10 * time.Minute // from this on every quarter has a sample without a password in it
	hashing = 24 * mib         // what hashing one takes
)

var quantities = []quantity{
	{goroutines, "goroutines", 1, 0, 10},
	{descriptors, "descriptors", 1, 0, 10},
	{liveHeap, "live heap, MiB", mib, 0.2, 4 * mib},
	{resident, "resident, MiB", mib, 0.2, 16*mib + hashing}, // Go gives memory back late
	{fileSize, "database, MiB", mib, 0.2, 4 * mib},
}

// meter measures the servers of a stage, and the soak with its verifiers.
type meter struct {
	stage  *stage
	series []map[string][]float64 // :: server → quantity → samples of the quiet time; the last is the soak itself
	cpu    []float64              // :: server → seconds of the lives that have ended
	last   []float64              // :: server → seconds of this life
	early  map[string]int64       // :: table → rows in the middle of the run
}

func newMeter(s *stage) *meter {
	m := &meter{stage: s, cpu: make([]float64, len(s.nodes)), last: make([]float64, len(s.nodes))}
	for range len(s.nodes) + 1 {
		m.series = append(m.series, map[string][]float64{})
	}
	return m
}

var scraper = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

// scrape reads a server's metrics.
func (n *node) scrape() (map[string]float64, error) {
	resp, err := scraper.Get("http://" + n.metrics + "/metrics")
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	all := map[string]float64{}
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		at := strings.LastIndexByte(lines.Text(), ' ')
		if value, err := strconv.ParseFloat(lines.Text()[at+1:], 64); err == nil && at > 0 {
			all[lines.Text()[:at]] = value
		}
	}
	if _, ok := all[liveHeap]; !ok {
		return nil, fmt.Errorf("metrics answered %d without %s", resp.StatusCode, liveHeap)
	}
	return all, nil
}

// itself is what the soak has, for package client lives here.
func itself() map[string]float64 {
	heap := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	runtime.GC()
	metrics.Read(heap)
	files, _ := os.ReadDir("/proc/self/fd")
	return map[string]float64{goroutines: float64(runtime.NumGoroutine()), liveHeap: float64(heap[0].Value.Uint64()), descriptors: float64(len(files))}
}

// measure takes samples until the end.
func (m *meter) measure() {
	for s := m.stage; s.running(s.plan.over()); s.report.sleep(s.plan.sampleEvery) {
		quiet := time.Now().After(s.plan.quiet())
		size := m.size()
		for i, n := range s.nodes {
			life, ok := n.up()
			if !ok {
				continue
			}
			values, err := n.scrape()
			if err != nil {
				if n.life.Load() == life {
					s.report.fail("%s: reading metrics: %v", s.name, err)
				}
				continue
			}
			values[fileSize] = size
			m.note(i, values, quiet)
		}
		m.note(len(s.nodes), itself(), quiet)
		if m.early == nil && time.Since(s.plan.begin) > s.plan.length/2 {
			m.early = m.rows()
		}
	}
}

func (m *meter) note(i int, values map[string]float64, quiet bool) {
	if i < len(m.cpu) {
		if values[cpuSeconds] < m.last[i] { // another life
			m.cpu[i] += m.last[i]
		}
		m.last[i] = values[cpuSeconds]
	}
	if !quiet {
		return
	}
	for _, q := range quantities {
		if v, ok := values[q.name]; ok {
			m.series[i][q.name] = append(m.series[i][q.name], v)
		}
	}
}

// query runs f on the database, from outside.
func (m *meter) query(f func(*sql.DB) error) {
	driver, address := "sqlite", "file:"+m.file()+"?_pragma=busy_timeout(10000)"
	if m.stage.pg != nil {
		driver, address = "pgx", m.stage.pg.URL("symbolon")
	}
	db, err := sql.Open(driver, address)
	if err == nil {
		err = f(db)
		_ = db.Close()
	}
	if err != nil {
		m.stage.report.fail("%s: looking into the database: %v", m.stage.name, err)
	}
}

func (m *meter) file() string { return filepath.Join(m.stage.dir, m.stage.name+"-0", "symbolon.db") }

// size is that of the database, its log among it on SQLite.
func (m *meter) size() (bytes float64) {
	if m.stage.pg != nil {
		m.query(func(db *sql.DB) error { return db.QueryRow(`SELECT pg_database_size('symbolon')`).Scan(&bytes) })
		return bytes
	}
	for _, end := range []string{"", "-wal"} {
		if info, err := os.Stat(m.file() + end); err == nil {
			bytes += float64(info.Size())
		}
	}
	return bytes
}

var tables = []string{"grants", "feed", "cutoffs", "audit", "attempts", "runs", "nodes", "activity", "resets", "signing_keys",
	"accounts", "subjects", "identities", "members", "account_groups"}

func (m *meter) rows() map[string]int64 {
	all := map[string]int64{}
	m.query(func(db *sql.DB) error {
		for _, t := range tables {
			var n int64
			if err := db.QueryRow("SELECT COUNT(*) FROM " + t).Scan(&n); err != nil {
				return fmt.Errorf("counting %s: %w", t, err)
			}
			all[t] = n
		}
		return nil
	})
	return all
}

// older makes rows that could go if they were older, older by so many days. Nobody waits a day for a purge.
var older = []struct {
	statement string
	days      int64
}{
	{`UPDATE grants SET dead_at = dead_at - $1 WHERE dead_at < $2`, 2},
	{`UPDATE feed SET at = at - $1 WHERE at < $2`, 8},
	{`UPDATE cutoffs SET until = until - $1 WHERE until < $2`, 2},
	{`UPDATE audit SET at = at - $1 WHERE at < $2`, 2},
	{`UPDATE attempts SET last_at = last_at - $1 WHERE last_at < $2`, 2},
	{`UPDATE runs SET ended_at = ended_at - $1, crashed_at = crashed_at - $1 WHERE COALESCE(ended_at, crashed_at) < $2`, 3},
}

// age makes what was done with an interval ago older, as if days had passed, until the end.
func (m *meter) age() {
	s := m.stage
	for {
		s.report.sleep(s.plan.ageEvery)
		if !s.running(s.plan.over()) {
			return
		}
		m.query(func(db *sql.DB) error {
			before := time.Now().Add(-s.plan.ageEvery).UnixMilli()
			for _, o := range older {
				ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
				_, err := db.ExecContext(ctx, o.statement, o.days*24*time.Hour.Milliseconds(), before)
				cancel()
				if err != nil {
					return fmt.Errorf("making rows older: %w", err)
				}
			}
			return nil
		})
	}
}

// judge looks for what grew.
func (m *meter) judge() {
	s := m.stage
	lines := [][]string{{"", "", "first quarter", "last quarter", "least", "most", "may grow to", ""}}
	for i, series := range m.series {
		name := "the soak itself"
		if i < len(s.nodes) {
			name = fmt.Sprintf("server %d", i)
		}
		for _, q := range quantities {
			if v := series[q.name]; len(v) > 0 {
				lines = append(lines, m.judgeOne(name, i == len(s.nodes), q, v))
			}
		}
	}
	s.report.table(fmt.Sprintf("%s: the quiet %s, the least of each quarter", s.name, (s.plan.length*35/100).Round(time.Second)), lines)
	m.judgeRows()
	for i := range s.nodes {
		used := m.cpu[i] + m.last[i]
		s.report.table(fmt.Sprintf("%s: server %d used %.0f s of CPU, %.1f %% of a core", s.name, i, used, 100*used/s.plan.length.Seconds()), nil)
	}
}

func (m *meter) judgeOne(name string, own bool, q quantity, v []float64) []string {
	quarter := max(1, len(v)/4)
	first, last := slices.Min(v[:quarter]), slices.Min(v[len(v)-quarter:])
	most := first*(1+q.share) + q.more
	if m.stage.plan.length < longRun && q.unit == mib {
		most += hashing
	}
	if own && q.unit == 1 {
		most += 20 // the other stage's clients
	}
	verdict := "ok"
	if last > most {
		verdict = "GREW"
		m.stage.report.fail("%s: %s: %s grew from %.1f to %.1f", m.stage.name, name, q.title, first/q.unit, last/q.unit)
	}
	show := func(x float64) string { return strconv.FormatFloat(x/q.unit, 'f', 1, 64) }
	return []string{name, q.title, show(first), show(last), show(slices.Min(v)), show(slices.Max(v)), show(most), verdict}
}

// judgeRows compares the tables in the middle with those at the end: as much was done in either half.
func (m *meter) judgeRows() {
	now, more := m.rows(), int64(100)
	if m.stage.plan.length < longRun { // which has no steady state
		more = 500
	}
	lines := [][]string{{"table", "rows in the middle", "rows at the end", "may have", ""}}
	for _, t := range tables {
		most := m.early[t]*3/2 + more
		if t == "signing_keys" { // they stay, without their secrets
			most = m.early[t]*2 + 10
		}
		verdict := "ok"
		if now[t] > most {
			verdict = "GREW"
			m.stage.report.fail("%s: table %s grew from %d to %d rows", m.stage.name, t, m.early[t], now[t])
		}
		lines = append(lines, []string{t, fmt.Sprint(m.early[t]), fmt.Sprint(now[t]), fmt.Sprint(most), verdict})
	}
	m.stage.report.table(m.stage.name+": rows", lines)
}
