// Package pgtest runs a throw-away PostgreSQL for tests, from the programs of Debian's package postgresql: its own folder,
// its own port on loopback, as an unprivileged user. The cluster that the package makes is not used.
package pgtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// nobody is whom the server runs as when the test is root, which it refuses to be.
const nobody = 65534

const patience = 30 * time.Second

// Server is one running server. Close it.
type Server struct {
	Port int

	bin, dir string
	settings []string

	mu   sync.Mutex
	cmd  *exec.Cmd
	log  bytes.Buffer
	done chan struct{}
}

// Start makes a cluster in a new folder and starts it. Settings are added to its command line, as name=value.
func Start(settings ...string) (*Server, error) {
	bin, err := programs()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "symbolon-postgres-")
	if err != nil {
		return nil, err
	}
	s := &Server{bin: bin, dir: dir, settings: settings}
	return s, s.begin(s.make)
}

// begin makes the server's folder and starts it; of what fails nothing is left.
func (s *Server) begin(make func() error) error {
	err := s.prepare()
	if err == nil {
		err = make()
	}
	if err == nil {
		err = s.Run()
	}
	if err != nil {
		s.Close()
	}
	return err
}

// Standby copies a running server to another, which follows it as name and only reads until it is promoted. Where
// synchronous_standby_names of the first is set to name, its commits wait for the copy.
func (s *Server) Standby(name string) (*Server, error) {
	dir, err := os.MkdirTemp("", "symbolon-postgres-")
	if err != nil {
		return nil, err
	}
	other := &Server{bin: s.bin, dir: dir, settings: s.settings}
	return other, other.begin(func() error {
		from := fmt.Sprintf("host=127.0.0.1 port=%d user=symbolon application_name=%s", s.Port, name)
		backup := other.Command("pg_basebackup", "-d", from, "-D", filepath.Join(dir, "data"), "-R", "-X", "stream", "-c", "fast")
		if out, err := backup.CombinedOutput(); err != nil {
			return fmt.Errorf("pg_basebackup: %w\n%s", err, out)
		}
		return nil
	})
}

// programs is the folder of the newest release's programs.
func programs() (string, error) {
	all, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil || len(all) == 0 {
		return "", fmt.Errorf("there is no PostgreSQL here: run `make tools`, or install Debian's package postgresql (%v)", err)
	}
	return filepath.Dir(all[len(all)-1]), nil
}

// prepare gives the server its port, and its folder to whom it runs as.
func (s *Server) prepare() (err error) {
	if os.Getuid() == 0 {
		if err := os.Chown(s.dir, nobody, nobody); err != nil {
			return err
		}
	}
	s.Port, err = freePort()
	return err
}

func (s *Server) make() error {
	initdb := s.Command("initdb", "-D", filepath.Join(s.dir, "data"), "-U", "symbolon", "-A", "trust", "-E", "UTF8", "--locale=C", "-N")
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return nil
}

func freePort() (int, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port, nil
}

// Command is one of the release's programs, to be run as the server's user in its folder.
func (s *Server) Command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.bin, name), args...)
	cmd.Dir = s.dir
	if os.Getuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	return cmd
}

// Run starts the server, also again after Kill, and returns when it answers.
func (s *Server) Run() error {
	args := []string{"-D", filepath.Join(s.dir, "data"), "-p", strconv.Itoa(s.Port), "-k", "",
		"-c", "listen_addresses=127.0.0.1", "-c", "max_connections=200"}
	for _, x := range s.settings {
		args = append(args, "-c", x)
	}
	cmd := s.Command("postgres", args...)
	cmd.Stdout, cmd.Stderr = &s.log, &s.log
	if err := cmd.Start(); err != nil {
		return err
	}
	done := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(done)
	}()
	s.mu.Lock()
	s.cmd, s.done = cmd, done
	s.mu.Unlock()
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		err := s.Exec("postgres", "SELECT 1")
		if err == nil {
			return nil
		}
		select {
		case <-done:
			return fmt.Errorf("the server has ended: %w\n%s", err, s.log.String())
		default:
		}
		if time.Now().After(end) {
			return fmt.Errorf("the server does not answer: %w", err)
		}
	}
}

// URL is the address of a database of the server.
func (s *Server) URL(database string) string { return AddressAt(s.Port, database) }

// AddressAt is that of a database behind another port, such as a proxy's.
func AddressAt(port int, database string) string {
	return fmt.Sprintf("postgres://symbolon@127.0.0.1:%d/%s?sslmode=disable", port, database)
}

// Exec runs statements in a database.
func (s *Server) Exec(database, statements string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.URL(database))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	return conn.PgConn().Exec(ctx, statements).Close()
}

// Set changes a setting of the whole server at once; an empty value undoes it. It works also where the server only reads.
func (s *Server) Set(name, value string) error {
	conf, err := os.OpenFile(filepath.Join(s.dir, "data", "postgresql.auto.conf"), os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	if value != "" {
		_, err = fmt.Fprintf(conf, "%s = '%s'\n", name, value)
	}
	if err := errors.Join(err, conf.Close()); err != nil {
		return err
	}
	return s.Exec("postgres", "SELECT pg_reload_conf()")
}

// Create makes an empty database.
func (s *Server) Create(database string) error {
	return s.Exec("postgres", "CREATE DATABASE "+database)
}

// Copy makes a database with what has been committed to another, which may be in use: as a crash would leave it.
func (s *Server) Copy(from, to string) error {
	if err := s.Create(to); err != nil {
		return err
	}
	dump := s.Command("pg_dump", s.URL(from))
	var out, words bytes.Buffer
	dump.Stdout, dump.Stderr = &out, &words
	if err := dump.Run(); err != nil {
		return fmt.Errorf("pg_dump: %w\n%s", err, words.String())
	}
	load := s.Command("psql", "-q", "-v", "ON_ERROR_STOP=1", s.URL(to))
	load.Stdin = &out
	if words, err := load.CombinedOutput(); err != nil {
		return fmt.Errorf("psql: %w\n%s", err, words)
	}
	return nil
}

// Kill ends the server and all its processes at once, as a crash does.
func (s *Server) Kill() {
	s.mu.Lock()
	cmd, done := s.cmd, s.done
	s.mu.Unlock()
	_ = cmd.Process.Kill() // its processes see that it is gone, and end
	<-done
}

// PID is the number of the server's first process, the parent of the others.
func (s *Server) PID() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cmd.Process.Pid
}

// Freeze stops the server and all its processes in mid-air; Thaw lets them go on.
func (s *Server) Freeze() error { return s.signal(syscall.SIGSTOP) }

// Thaw undoes Freeze.
func (s *Server) Thaw() error { return s.signal(syscall.SIGCONT) }

func (s *Server) signal(sig syscall.Signal) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	pid := s.cmd.Process.Pid
	if err := syscall.Kill(pid, sig); err != nil {
		return err
	}
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return err
	}
	for _, child := range bytes.Fields(children) {
		if n, err := strconv.Atoi(string(child)); err == nil {
			_ = syscall.Kill(n, sig) // it may have ended in the meantime
		}
	}
	return nil
}

// Close ends the server and removes its folder.
func (s *Server) Close() error {
	s.mu.Lock()
	cmd := s.cmd
	s.mu.Unlock()
	if cmd != nil {
		_ = s.Thaw()
		_ = cmd.Process.Signal(syscall.SIGQUIT)
		select {
		case <-s.done:
		case <-time.After(patience):
			s.Kill()
		}
	}
	return os.RemoveAll(s.dir)
}
