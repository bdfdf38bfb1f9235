package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
)

func checkLocked(t *testing.T, path string, pid int) {
	t.Helper()
	_, err := Open(context.Background(), Options{Path: path, Serve: true, Migrations: first})
	var locked *LockedError
	if !errors.As(err, &locked) {
		t.Fatalf("error is %v, want a LockedError", err)
	}
	want := &LockedError{PID: pid, Path: filepath.Join(filepath.Dir(path), "symbolon.lock")}
	if diff := cmp.Diff(want, locked); diff != "" {
		t.Errorf("error (-want +got):\n%s", diff)
	}
}

func TestSecondServer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "symbolon.db")
	d := openTest(t, Options{Path: path, Serve: true})
	checkLocked(t, path, os.Getpid())
	mustWrite(t, openTest(t, Options{Path: path}), add("by a command"))
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	checkNotes(t, openTest(t, Options{Path: path, Serve: true}), "by a command")
}

func TestSecondServerProcess(t *testing.T) {
	for _, end := range []string{"stopped", "killed"} {
		t.Run(end, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "symbolon.db")
			cmd, in := startChild(t, "serve", path)
			checkLocked(t, path, cmd.Process.Pid)
			if end == "killed" {
				_ = cmd.Process.Kill()
			}
			_ = in.Close()
			_ = cmd.Wait()
			openTest(t, Options{Path: path, Serve: true})
		})
	}
}

func TestLockedErrorText(t *testing.T) {
	tests := []struct {
		name string
		err  LockedError
		want string
	}{
		{"known process", LockedError{12, "/d/symbolon.lock"},
			"process 12 is already serving this store (it holds /d/symbolon.lock): stop it, or give this server a data folder of its own"},
		{"unknown process", LockedError{0, "/d/symbolon.lock"},
			"another process is already serving this store (it holds /d/symbolon.lock): stop it, or give this server a data folder of its own"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, tt.err.Error()); diff != "" {
				t.Errorf("text (-want +got):\n%s", diff)
			}
		})
	}
}

// A command in another process writes beside a server that never pauses.
func TestCommandBesideBusyServer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "symbolon.db")
	d := openTest(t, Options{Path: path, Serve: true})
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				if err := d.Write(context.Background(), add(fmt.Sprintf("server %d %d", i, n))); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	cmd, _ := startChild(t, "command", path)
	if err := cmd.Wait(); err != nil {
		t.Errorf("the command failed: %v", err)
	}
	cancel()
	wg.Wait()
}

// A command that was stopped in mid-air delays the server, and does not end it; a second command gives up.
func TestTurnHeld(t *testing.T) {
	path := filepath.Join(t.TempDir(), "symbolon.db")
	d := openTest(t, Options{Path: path, Serve: true})
	command := openTest(t, Options{Path: path})
	held, err := openTurn(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	defer held.close()
	if err := flock(held.dir, syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	mustWrite(t, d, add("server"))
	synctest.Test(t, func(t *testing.T) { // makes the five seconds short
		want := "another command has been writing in " + filepath.Dir(path) + " for five seconds: end it, then try again"
		if err := command.turn.take(); err == nil || err.Error() != want {
			t.Errorf("error is %v, want %q", err, want)
		}
	})
	held.give()
	mustWrite(t, command, add("command"))
	checkNotes(t, d, "command", "server")
}
