package keyring

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestMasterFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "master.key")
	made, err := NewMasterFile(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 || info.Size() != 45 {
		t.Errorf("mode %v, %d bytes", info.Mode(), info.Size())
	}
	loaded, err := LoadMaster("", path)
	if err != nil || !bytes.Equal(made.key(), loaded.key()) {
		t.Errorf("read back another key, %v", err)
	}
	if _, err := NewMasterFile(path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("second one: %v", err)
	}
	if again, err := LoadMaster("", path); err != nil || !bytes.Equal(made.key(), again.key()) {
		t.Errorf("the second attempt changed the file, %v", err)
	}
}

func TestLoadMasterRefuses(t *testing.T) {
	dir := t.TempDir()
	good := base64.StdEncoding.EncodeToString(make([]byte, 32))
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const base = "it is not base64; 32 random bytes in base64 are expected, as from: openssl rand -base64 32"
	group, other := write("group", good, 0o640), write("other", good, 0o604)
	short, long := write("short", base64.StdEncoding.EncodeToString(make([]byte, 31)), 0o600), write("long", strings.Repeat("A", 5000), 0o600)
	empty, binary := write("empty", "", 0o600), write("binary", "\x00\xff", 0o600)
	for _, tc := range []struct{ name, env, file, want string }{
		{"readable by the group", "", group, "reading the master key from " + group + ": its mode is 0640, so others may read it; run: chmod 600 " + group},
		{"readable by all", "", other, "reading the master key from " + other + ": its mode is 0604, so others may read it; run: chmod 600 " + other},
		{"short", "", short, "reading the master key from " + short + ": the master key has 31 bytes, it must have 32"},
		{"long", "", long, "reading the master key from " + long + ": the master key has 768 bytes, it must have 32"},
		{"empty", "", empty, "reading the master key from " + empty + ": the master key has 0 bytes, it must have 32"},
		{"binary", "", binary, "reading the master key from " + binary + ": " + base},
		{"folder", "", dir, "reading the master key from " + dir + ": it is not a regular file"},
		{"bad variable", "no!", "", "reading the master key from SYMBOLON_MASTER_KEY: " + base},
	} {
		if _, err := LoadMaster(tc.env, tc.file); err == nil || err.Error() != tc.want {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
	for _, file := range []string{"", filepath.Join(dir, "absent")} {
		if _, err := LoadMaster("", file); !errors.Is(err, ErrNoMaster) {
			t.Errorf("%q: %v", file, err)
		}
	}
	if _, err := LoadMaster(" "+good+"\n", group); err != nil {
		t.Errorf("the variable goes before the file: %v", err)
	}
}

func TestMasterPrintsNothing(t *testing.T) {
	m := testMaster(t, 0xab)
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, v := range []any{m, &m, struct{ m Master }{m}} {
			got := fmt.Sprintf(format, v)
			if strings.Contains(got, "abab") || strings.Contains(got, "171 171") || strings.Contains(got, "0xab, ") {
				t.Errorf("%s prints %s", format, got)
			}
		}
	}
}

func TestSealIsBoundToItsPlace(t *testing.T) {
	s, err := newSealer(testMaster(t, 1), "i")
	if err != nil {
		t.Fatal(err)
	}
	key := Key{Service: "samples", KID: "k", Purpose: Access}
	key.Sealed = s.seal(&key, []byte("secret"))
	if plain, err := s.open(&key); err != nil || string(plain) != "secret" {
		t.Fatalf("%q, %v", plain, err)
	}
	if again := s.seal(&key, []byte("secret")); bytes.Equal(again, key.Sealed) || bytes.Contains(again, []byte("secret")) {
		t.Error("sealing twice gives the same bytes, or open ones")
	}
	otherMaster, err := newSealer(testMaster(t, 2), "i")
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name   string
		sealer sealer
		change func(*Key)
	}{
		{"master", otherMaster, func(*Key) {}},
		{"installation", sealer{aead: s.aead, installation: "j"}, func(*Key) {}},
		{"service", s, func(k *Key) { k.Service = "ecology" }},
		{"kid", s, func(k *Key) { k.KID = "l" }},
		{"purpose", s, func(k *Key) { k.Purpose = Refresh }},
		{"moved boundary", s, func(k *Key) { k.Service, k.KID = "sample", "sk" }},
		{"truncated", s, func(k *Key) { k.Sealed = k.Sealed[:20] }},
		{"empty", s, func(k *Key) { k.Sealed = nil }},
		{"nonce", s, func(k *Key) { k.Sealed[0] ^= 1 }},
		{"last byte", s, func(k *Key) { k.Sealed[len(k.Sealed)-1] ^= 1 }},
	} {
		moved := key
		moved.Sealed = bytes.Clone(key.Sealed)
		tc.change(&moved)
		if _, err := tc.sealer.open(&moved); !errors.Is(err, ErrUnopenable) {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}
