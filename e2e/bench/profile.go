//go:build e2e

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// profiled are the hottest paths, and those that are far from their floors, by the names of their files.
var profiled = []struct {
	name, path string
	remote     bool // on PostgreSQL
}{
	{name: "verify", path: "^verify, token seen before, 16 at once$"},
	{name: "rotation", path: "^rotation, SQLite, 16 at once$"},
	{name: "rotation-postgres", path: "^rotation, PostgreSQL", remote: true},
	{name: "exchange", path: "^API key to tokens"},
	{name: "published", path: "^JWKS"},
	{name: "pair", path: "^EDI pair refresh"},
	{name: "login", path: "^password login"},
}

// profile measures one path after the other, each with servers of its own, and writes where the server's CPU time went.
func (o options) profile(ctx context.Context) error {
	for _, p := range profiled {
		dir, err := os.MkdirTemp("", "symbolon-profile-")
		if err != nil {
			return fmt.Errorf("making a folder: %w", err)
		}
		defer os.RemoveAll(dir)
		if err := os.Setenv("PROFILE_DIR", dir); err != nil {
			return err
		}
		o.only = p.path
		r, err := o.measure(ctx)
		if err != nil {
			return err
		}
		pid := r.pid
		if p.remote {
			pid = r.remotePID
		}
		text, err := exec.CommandContext(ctx, "go", "tool", "pprof", "-top", "-cum", "-nodecount=70", "-nodefraction=0.005", o.binary,
			filepath.Join(dir, fmt.Sprint(pid)+".cpu")).Output()
		if err != nil {
			return fmt.Errorf("reading a profile (was %s built with -tags profile?): %w", o.binary, err)
		}
		if err := os.WriteFile(filepath.Join(o.profiles, p.name+".txt"), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}
