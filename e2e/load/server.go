//go:build e2e

// Package load starts the real binary and drives it over loopback, for the programs that measure it. It asks as cheaply as it
// can, because it shares the machine with what it measures.
package load

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// clockTick is the unit of /proc/PID/stat, 100 a second on every Linux.
const clockTick = 10 * time.Millisecond

// Server is a running `symbolon serve`, or another server that prints its address first.
type Server struct {
	Addr string        // HOST:PORT
	PID  int           //
	Took time.Duration // from its start to its first line

	binary, config string
	cmd            *exec.Cmd
}

// Start writes settings, a configuration without `listen` and `data`, to a file in dir, and starts the program with it on a
// free port; its log goes to a file there. It returns when the server serves. The same dir again is the same server once more.
func Start(binary, dir, settings string) (*Server, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "symbolon.yaml")
	text := fmt.Sprintf("listen: 127.0.0.1:%d\ndata: %s\n%s", port, filepath.Join(dir, "data"), settings)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, fmt.Errorf("writing a configuration: %w", err)
	}
	log, err := os.OpenFile(filepath.Join(dir, "log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening a log: %w", err)
	}
	defer log.Close()
	cmd := exec.Command(binary, "serve", "--config", config)
	cmd.Stderr = log
	s, err := Run(cmd, "serving on http://")
	if err != nil {
		return nil, fmt.Errorf("%w (see %s)", err, log.Name())
	}
	s.binary, s.config = binary, config
	return s, nil
}

// Run starts a program whose first line is prefix and its address.
func Run(cmd *exec.Cmd, prefix string) (*Server, error) {
	// The program refuses variables of its own that it does not know.
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "SYMBOLON_") })
	if cmd.Stderr == nil {
		cmd.Stderr = os.Stderr
	}
	out, err := cmd.StdoutPipe()
	begin := time.Now()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", cmd.Path, err)
	}
	s := &Server{PID: cmd.Process.Pid, cmd: cmd}
	lines := bufio.NewReader(out)
	line, err := lines.ReadString('\n')
	s.Took = time.Since(begin)
	addr, ok := strings.CutPrefix(strings.TrimSpace(line), prefix)
	if err != nil || !ok {
		s.Kill()
		return nil, fmt.Errorf("starting %s: its first line is %q, not %q and an address", cmd.Path, line, prefix)
	}
	s.Addr = addr
	go io.Copy(io.Discard, lines)
	return s, nil
}

// Kill ends the server at once, as a crash does.
func (s *Server) Kill() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

// Stop asks the server to end, and waits until it did.
func (s *Server) Stop() error {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stopping a server: %w", err)
	}
	return s.cmd.Wait()
}

// Command runs a command beside the server, on its configuration, and returns what it printed as JSON.
func (s *Server) Command(args ...string) ([]byte, error) {
	cmd := exec.Command(s.binary, append(args, "--json", "--config", s.config)...)
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("running symbolon %s: %w: %s", strings.Join(args, " "), err, complaint.Bytes())
	}
	return out, nil
}

// CPU is what the server's process has used so far, in user and kernel mode.
func (s *Server) CPU() (time.Duration, error) { return CPU(s.PID) }

// CPU is what a process has used so far, in user and kernel mode, without its children.
func CPU(pid int) (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("reading CPU time: %w", err)
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 13 {
		return 0, fmt.Errorf("reading CPU time: %q", stat)
	}
	user, errUser := strconv.Atoi(fields[11])
	kernel, errKernel := strconv.Atoi(fields[12])
	return time.Duration(user+kernel) * clockTick, errors.Join(errUser, errKernel)
}

// Resident is the memory that the server's process has now, in bytes, files that it maps among it.
func (s *Server) Resident() (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.PID))
	if err != nil {
		return 0, fmt.Errorf("reading memory: %w", err)
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			return kib << 10, err
		}
	}
	return 0, errors.New("reading memory: no VmRSS")
}

func freePort() (int, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("finding a free port: %w", err)
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port, nil
}
