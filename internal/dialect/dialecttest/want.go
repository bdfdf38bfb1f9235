package dialecttest

import (
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// Want compares an answer's status and whole body.
func Want(t *testing.T, w *httptest.ResponseRecorder, status int, body string) {
	t.Helper()
	if w.Code != status {
		t.Errorf("status %d, want %d", w.Code, status)
	}
	if diff := cmp.Diff(body, w.Body.String()); diff != "" {
		t.Errorf("body (-want +got):\n%s", diff)
	}
}

// WantNames holds that header names are canonical, which httpio leaves to whoever makes an answer.
func WantNames(t *testing.T, h http.Header) {
	t.Helper()
	for name := range h {
		if good := http.CanonicalHeaderKey(name); name != good {
			t.Errorf("the answer has a header %s, which must be written %s", name, good)
		}
	}
}

// Golden compares with a file of testdata, which the flag -update writes first.
func Golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(text), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}
