package app

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"symbolon/internal/config"
	"symbolon/internal/store/postgres"
)

// Finding is one thing that was looked at. Wrong is "" where all is well, else what is wrong and what to do.
type Finding struct {
	What  string `json:"what"`
	Wrong string `json:"wrong,omitempty"`
	Note  string `json:"note,omitempty"` // worth knowing, and not wrong
}

// maxDoctor bounds each look, so that a dead server elsewhere does not hold up the rest.
const maxDoctor = 10 * time.Second

// Diagnose looks at everything that a configuration names, and mends nothing: files and keys, the store and its clock,
// the other servers on it, the directories and providers with which people sign in, and proxies.
func Diagnose(ctx context.Context, c *config.Config, now func() time.Time) []Finding {
	d := &doctor{ctx: ctx, config: c, now: now}
	d.note("configuration", strings.Join(c.Warnings(), "\n"), CheckKeys(c))
	d.lookAtProxies()
	if d.lookAtSchema() {
		d.lookInside()
	}
	return d.found
}

type doctor struct {
	ctx    context.Context
	config *config.Config
	now    func() time.Time
	found  []Finding
}

func (d *doctor) note(what, note string, wrong error) {
	f := Finding{What: what, Note: note}
	if wrong != nil {
		f.Wrong = wrong.Error()
	}
	d.found = append(d.found, f)
}

func (d *doctor) lookAtProxies() {
	note := ""
	if strings.HasPrefix(d.config.BaseURL, "https://") && len(d.config.TrustedProxies) == 0 {
		note = "base_url is https, so a proxy stands before this server, and trusted_proxies names none: the log and the audit have the proxy's address for everybody's"
	}
	d.note("proxies", note, nil)
}

// lookAtSchema says whether the store can be looked into without changing it.
func (d *doctor) lookAtSchema() bool {
	ctx, stop := context.WithTimeout(d.ctx, maxDoctor)
	defer stop()
	pending, err := Pending(ctx, d.config)
	if err == nil && len(pending) > 0 {
		err = fmt.Errorf("the schema lacks %s: run `symbolon migrate`, or start this program's server", strings.Join(pending, ", "))
	}
	d.note("store", "", err)
	if err == nil && d.config.OnPostgres() {
		d.lookForPooler(ctx)
	}
	return err == nil
}

func (d *doctor) lookForPooler(ctx context.Context) {
	pooled, err := postgres.Pooled(ctx, d.config.Store)
	note := ""
	if pooled {
		note = fmt.Sprintf("no notification arrives, so a pooler lies between: revocations are known to other servers within %s instead of at once; "+
			"let store go round the pooler, or add default_query_exec_mode=cache_describe to it",
			min(time.Second, time.Duration(d.config.RevocationBound)/4))
	}
	d.note("notifications", note, err)
}

// lookInside opens the store, as a command does, and makes no keys.
func (d *doctor) lookInside() {
	a, err := Open(d.ctx, Options{Config: d.config, Now: d.now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		d.note("services", "", err)
		return
	}
	defer a.Close()
	d.lookAtKeys(a)
	d.lookAtClock(a)
	d.lookAtNodes(a)
	ctx, stop := context.WithTimeout(d.ctx, maxDoctor)
	defer stop()
	if a.ldap != nil {
		d.note("sign-in by LDAP", "", a.ldap.Reach(ctx))
	}
	for _, p := range a.Providers {
		if a.standIn != nil {
			break // it is this program's own, and answers while that serves
		}
		d.note("sign-in with "+p.Name(), "", p.Reach(ctx))
	}
}

func (d *doctor) lookAtKeys(a *App) {
	missing, err := a.missingKeys(d.ctx)
	note := ""
	if len(missing) > 0 {
		note = "the next start makes, or takes in, those of " + strings.Join(missing, ", ")
	}
	d.note("signing keys", note, err)
}

func (d *doctor) lookAtClock(a *App) {
	state, err := a.Store.Clock(d.ctx)
	note := ""
	if err == nil {
		switch now := d.now(); {
		case state.Offset.Abs() > time.Minute:
			err = fmt.Errorf("this machine's clock differs from the database's by %s: set the clocks", state.Offset.Round(time.Second))
		case state.High.Sub(now) > time.Minute:
			err = fmt.Errorf("the clock is %s behind the highest time that was ever seen: set it; until then nothing is purged",
				state.High.Sub(now).Round(time.Second))
		case state.Hold > 0:
			note = fmt.Sprintf("the clock jumped: nothing is purged for another %s of running", state.Hold.Round(time.Minute))
		}
	}
	d.note("clock", note, err)
}

func (d *doctor) lookAtNodes(a *App) {
	all, err := a.Store.Nodes(d.ctx)
	var live, wrong []string
	for _, n := range all {
		if !n.Live() {
			continue
		}
		live = append(live, fmt.Sprintf("%s (version %s)", n.Name, n.Version))
		if n.Fingerprint != d.config.Fingerprint() {
			wrong = append(wrong, fmt.Sprintf("%s has another configuration than this one: give all the same", n.Name))
		}
		if n.Skewed() {
			wrong = append(wrong, fmt.Sprintf("the clock of %s differs from the database's by %s: set it", n.Name, n.ClockOffset.Round(time.Second)))
		}
	}
	if err == nil && len(wrong) > 0 {
		err = fmt.Errorf("%s", strings.Join(wrong, "\n"))
	}
	note := "none runs"
	if len(live) > 0 {
		note = strings.Join(live, ", ")
	}
	d.note("servers", note, err)
}

// WriteFindings prints findings for people.
func WriteFindings(w io.Writer, all []Finding) error {
	for _, f := range all {
		mark, text := "ok", f.Note
		if f.Wrong != "" {
			mark, text = "WRONG", f.Wrong
		}
		line := fmt.Sprintf("%-6s %s", mark, f.What)
		if text != "" {
			line += ": " + strings.ReplaceAll(text, "\n", "\n       ")
		}
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	return nil
}
