package sqlite

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// LockedError says that another server has the store open. PID is 0 when the lock file does not tell which.
type LockedError struct {
	PID  int
	Path string // the lock file
}

// Error names the other process and what to do.
func (e *LockedError) Error() string {
	who := "another process"
	if e.PID != 0 {
		who = "process " + strconv.Itoa(e.PID)
	}
	return fmt.Sprintf("%s is already serving this store (it holds %s): stop it, or give this server a data folder of its own", who, e.Path)
}

// lockFile is held by the kernel for as long as the process lives, so a killed server leaves nothing to clean up.
type lockFile struct{ f *os.File }

func takeLockFile(path string) (*lockFile, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening lock file: %w", err)
	}
	err = flock(f, syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = &LockedError{PID: readPID(f), Path: path}
	}
	if err == nil {
		err = writePID(f)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &lockFile{f}, nil
}

// readPID waits a little for a holder that has the lock and is about to write its number.
func readPID(f *os.File) int {
	for range 20 {
		text, err := io.ReadAll(io.NewSectionReader(f, 0, 32))
		if pid, bad := strconv.Atoi(strings.TrimSpace(string(text))); err == nil && bad == nil {
			return pid
		}
		time.Sleep(5 * time.Millisecond)
	}
	return 0
}

func writePID(f *os.File) error {
	if err := f.Truncate(0); err != nil {
		return fmt.Errorf("writing lock file: %w", err)
	}
	if _, err := f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0); err != nil {
		return fmt.Errorf("writing lock file: %w", err)
	}
	return nil
}

// release leaves the file in place: removing it could take the name from a server that is just locking it.
func (l *lockFile) release() error {
	if l == nil {
		return nil
	}
	return l.f.Close()
}

// turn lets commands write beside a busy server. SQLite's own lock is taken by polling, so a server that commits
// without pause would keep a command out for ever; the advisory lock of the data folder says that one is waiting.
type turn struct{ dir *os.File }

func openTurn(folder string) (*turn, error) {
	dir, err := os.Open(folder)
	if err != nil {
		return nil, fmt.Errorf("opening data folder: %w", err)
	}
	return &turn{dir}, nil
}

// take is a command's: it holds the turn until give. It fails after five seconds of another command's holding it.
func (t *turn) take() error {
	if t.poll(syscall.LOCK_EX, 5000) {
		return nil
	}
	return fmt.Errorf("another command has been writing in %s for five seconds: end it, then try again", t.dir.Name())
}

func (t *turn) give() {
	_ = flock(t.dir, syscall.LOCK_UN) // closing the folder releases it as well
}

// yield is the server's, before each batch: it lets a waiting command go first, but waits no longer than 300 ms, in case
// that command has been stopped in mid-air.
func (t *turn) yield() {
	if t.poll(syscall.LOCK_SH, 300) {
		t.give()
	}
}

// poll tries once, then once each millisecond.
func (t *turn) poll(how, times int) bool {
	for range times {
		if flock(t.dir, how|syscall.LOCK_NB) == nil {
			return true
		}
		time.Sleep(time.Millisecond)
	}
	return false
}

func (t *turn) close() error { return t.dir.Close() }

func flock(f *os.File, how int) error {
	for {
		err := syscall.Flock(int(f.Fd()), how)
		if err == nil {
			return nil
		}
		if !errors.Is(err, syscall.EINTR) {
			return fmt.Errorf("locking %s: %w", f.Name(), err)
		}
	}
}
