//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

var (
	passwordLine = regexp.MustCompile(`(?m)^account (\S+), password (\S+) \(shown this once\)$`)
	curlLine     = regexp.MustCompile(`(?m)^curl .*$`)
	titleLine    = regexp.MustCompile(`(?m)^# .*$`)

	// secretText finds JWTs, legacy tokens and API keys in printed lines and answers.
	secretText = regexp.MustCompile(`eyJ[\w.-]{60,}|[\w+/=]{60,}-[\w+/=]{60,}|Bearer [\w-]{27}'|"key": "[\w-]{27}"`)
)

// paste gives a printed line to a shell and returns the status and the body.
func paste(t *testing.T, line string) (status, body string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "body")
	sh := exec.Command("sh")
	sh.Stdin = strings.NewReader("curl -s -o '" + file + "' -w '%{http_code}' " + strings.TrimPrefix(line, "curl ") + "\n")
	out, err := sh.Output()
	if err != nil {
		t.Fatalf("%s\n%v", line, err)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(out), string(b)
}

// pasteAll pastes what a server printed and returns the secrets that went either way.
func pasteAll(t *testing.T, s *server) (secrets []string) {
	t.Helper()
	printed := s.out.String()
	lines := curlLine.FindAllString(printed, -1)
	if titles := titleLine.FindAllString(printed, -1); len(lines) < 14 || len(titles) != len(lines) {
		t.Fatalf("%d titles over %d lines that begin with curl:\n%s", len(titles), len(lines), printed)
	}
	for _, line := range lines {
		status, body := paste(t, line)
		if !strings.HasPrefix(status, "2") || body == "" {
			t.Errorf("%s\nanswered %s %s", line, status, body)
		}
		secrets = append(secrets, secretText.FindAllString(line+"\n"+body, -1)...)
	}
	for _, m := range passwordLine.FindAllStringSubmatch(printed, -1) {
		secrets = append(secrets, m[2])
	}
	return secrets
}

// bare takes the wrapping off what secretText found.
func bare(s string) string {
	s = strings.TrimSuffix(strings.TrimPrefix(s, "Bearer "), "'")
	return strings.TrimSuffix(strings.TrimPrefix(s, `"key": "`), `"`)
}

// quiet fails where a log holds one of the secrets, whole or the tail that signs it.
func quiet(t *testing.T, s *server, secrets []string) {
	t.Helper()
	log := s.log.String()
	if len(secrets) < 8 || !strings.Contains(log, "msg=request") {
		t.Fatalf("%d secrets and %d bytes of log prove nothing", len(secrets), len(log))
	}
	for _, found := range secrets {
		found = bare(found)
		if strings.Contains(log, found) || strings.Contains(log, found[max(0, len(found)-24):]) {
			t.Errorf("the log holds the secret that begins with %q", found[:min(12, len(found))])
		}
	}
}

func TestFirstRun(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	s := startDev(t, dir)

	t.Run("two passwords are printed", func(t *testing.T) {
		var names []string
		for _, m := range passwordLine.FindAllStringSubmatch(s.out.String(), -1) {
			names = append(names, m[1])
		}
		if slices.Sort(names); !slices.Equal(names, []string{"demo", "demo-app"}) {
			t.Errorf("passwords of %v", names)
		}
	})
	t.Run("the printed lines work one by one", func(t *testing.T) { quiet(t, s, pasteAll(t, s)) })
	t.Run("every request of the seeds is there", func(t *testing.T) {
		for _, path := range []string{"/webservices/credentials_service_v2.php", "/webservices/refresh_token.php",
			"/auth/v1/token/refresh", "/auth/v1/key", "/api/auth/token/blacklist-all/",
			"/service/Auth", "/service/whoami", "/api/users/login", "/api/users/refresh", "/api/users/application-token", "/api/stations"} {
			if !strings.Contains(s.out.String(), s.base+path+"'") {
				t.Errorf("no line for %s", path)
			}
		}
	})
	t.Run("only the owner can read the files", func(t *testing.T) {
		for name, mode := range map[string]os.FileMode{"": os.ModeDir | 0o700, "master.key": 0o600, "symbolon.yaml": 0o600, "symbolon.db": 0o600} {
			info, err := os.Stat(filepath.Join(dir, name))
			if err != nil {
				t.Error(err)
			} else if info.Mode() != mode {
				t.Errorf("%s has mode %v, not %v", name, info.Mode(), mode)
			}
		}
	})
	t.Run("the second start prints new lines and no password", func(t *testing.T) {
		if code := s.stop(t); code != 0 {
			t.Errorf("stopping ended with %d", code)
		}
		second := startDev(t, dir)
		if m := passwordLine.FindString(second.out.String()); m != "" {
			t.Errorf("printed %q again", m)
		}
		for _, signIn := range []string{"/api/users/login", "login("} {
			if strings.Contains(second.out.String(), signIn) {
				t.Errorf("a line with %s, though no password is known any more", signIn)
			}
		}
		quiet(t, second, pasteAll(t, second))
	})
}

// Even a log of everything holds no secret, whether a request is good or bad.
func TestDebugLogHoldsNoSecret(t *testing.T) {
	dir := t.TempDir()
	first := startDev(t, dir)
	printed := first.out.String()
	first.stop(t)
	configure(t, dir, "log_level: info", "log_level: debug")
	s := restart(t, dir)
	var secrets []string
	for _, line := range curlLine.FindAllString(printed, -1) {
		line = strings.ReplaceAll(line, first.base, s.base)
		broken := strings.NewReplacer("Bearer ", "Bearer  x", `{"`, `{{"`, "edi-token=", "edi-token=x").Replace(line)
		_, body := paste(t, line)
		_, refusal := paste(t, broken)
		_, query := paste(t, strings.TrimSuffix(line, "'")+"?canary=inthequerystring'")
		secrets = append(secrets, secretText.FindAllString(line+"\n"+body+"\n"+refusal+"\n"+query, -1)...)
	}
	key, err := os.ReadFile(filepath.Join(dir, "master.key"))
	if err != nil {
		t.Fatal(err)
	}
	quiet(t, s, append(secrets, strings.TrimSpace(string(key)), "inthequerystring"))
}

func TestDemo(t *testing.T) {
	const promised = 10 * time.Second
	r := command(t, "", "demo")
	if r.code != 0 || !strings.Contains(r.err, "answers were as promised") {
		t.Errorf("demo ended with %d: %s", r.code, r.err)
	}
	if r.took > promised {
		t.Errorf("demo took %s, promised are %s", r.took, promised)
	}
	for _, path := range []string{"refresh_token.php", "credentials_service_v2.php", "/auth/v1/token/refresh", "/auth/v1/key",
		"/service/Auth", "/service/whoami?jwt=", "/api/users/login", "/api/users/refresh", "/api/users/application-token", "/api/stations"} {
		if !strings.Contains(r.out, path) {
			t.Errorf("demo shows no request of %s", path)
		}
	}
}
