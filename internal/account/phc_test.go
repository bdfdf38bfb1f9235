package account

import (
	"errors"
	"strings"
	"testing"
)

// From the test vectors of the Argon2 reference implementation, version 0x13.
var reference = []struct{ name, hash, password string }{
	{"m=256 p=1", "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4", "password"},
	{"m=256 p=2", "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc", "password"},
	{"m=65536", "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc", "password"},
	{"other password", "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$C4TWUs9rDEvq7w3+J4umqA32aWKB1+DSiRuBfYxFj94", "differentpassword"},
	{"other salt", "$argon2id$v=19$m=65536,t=2,p=1$ZGlmZnNhbHQ$vfMrBczELrFdWP0ZsfhWsRPaHppYdP3MVEMIVlqoFBw", "password"},
}

func TestReferenceHashes(t *testing.T) {
	h := NewHasher(cheap)
	for _, c := range reference {
		t.Run(c.name, func(t *testing.T) {
			p, err := parsePHC(c.hash)
			if err != nil {
				t.Fatal(err)
			}
			if !h.matches(p, c.password) {
				t.Errorf("%q does not match", c.password)
			}
			if h.matches(p, c.password+"x") {
				t.Errorf("%q matches", c.password+"x")
			}
		})
	}
}

func TestPHCRefused(t *testing.T) {
	const salt, sum = "$c29tZXNhbHQ", "$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"
	long := func(n int) string { return "$" + strings.Repeat("AAAA", n) }
	for name, hash := range map[string]string{
		"empty":                  "",
		"plain text":             "hunter22",
		"bcrypt":                 "$2y$10$abcdefghijklmnopqrstuuJ1v0Yw2F1b0f0Q0x0y0z0A0B0C0D0E0",
		"argon2i":                "$argon2i$v=19$m=256,t=2,p=1" + salt + sum,
		"no version":             "$argon2id$m=256,t=2,p=1" + salt + sum,
		"old version":            "$argon2id$v=16$m=256,t=2,p=1" + salt + sum,
		"order of the costs":     "$argon2id$v=19$t=2,m=256,p=1" + salt + sum,
		"a fourth cost":          "$argon2id$v=19$m=256,t=2,p=1,x=1" + salt + sum,
		"memory above 1 GiB":     "$argon2id$v=19$m=1048577,t=2,p=1" + salt + sum,
		"memory below 8 a lane":  "$argon2id$v=19$m=15,t=2,p=2" + salt + sum,
		"memory past 32 bits":    "$argon2id$v=19$m=4294967552,t=2,p=1" + salt + sum,
		"no passes":              "$argon2id$v=19$m=256,t=0,p=1" + salt + sum,
		"eleven passes":          "$argon2id$v=19$m=256,t=11,p=1" + salt + sum,
		"no lanes":               "$argon2id$v=19$m=256,t=2,p=0" + salt + sum,
		"17 lanes":               "$argon2id$v=19$m=256,t=2,p=17" + salt + sum,
		"leading zero":           "$argon2id$v=19$m=0256,t=2,p=1" + salt + sum,
		"plus sign":              "$argon2id$v=19$m=+256,t=2,p=1" + salt + sum,
		"padding":                "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ==" + sum,
		"line break in the salt": "$argon2id$v=19$m=256,t=2,p=1$c29tZXNh\nbHQ" + sum,
		"unused bits in the sum": "$argon2id$v=19$m=256,t=2,p=1" + salt + strings.TrimSuffix(sum, "4") + "5",
		"URL alphabet":           "$argon2id$v=19$m=256,t=2,p=1" + salt + strings.ReplaceAll(sum, "/", "_"),
		"short salt":             "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbA" + sum,
		"long salt":              "$argon2id$v=19$m=256,t=2,p=1" + long(22) + sum,
		"short sum":              "$argon2id$v=19$m=256,t=2,p=1" + salt + long(5),
		"long sum":               "$argon2id$v=19$m=256,t=2,p=1" + salt + long(22),
		"megabyte":               "$argon2id$v=19$m=256,t=2,p=1" + salt + long(1<<18),
		"a part more":            "$argon2id$v=19$m=256,t=2,p=1" + salt + sum + "$",
		"space at the end":       "$argon2id$v=19$m=256,t=2,p=1" + salt + sum + " ",
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := parsePHC(hash); !errors.Is(err, errPHC) {
				t.Errorf("got %v, want %v", err, errPHC)
			}
		})
	}
}

func TestHashRoundTrip(t *testing.T) {
	h := NewHasher(cheap)
	hash, err := h.Hash(t.Context(), "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	again, err := h.Hash(t.Context(), "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	if hash == again {
		t.Error("two hashes of one password are equal: the salt is not random")
	}
	p, err := parsePHC(hash)
	if err != nil {
		t.Fatal(err)
	}
	for password, want := range map[string]bool{
		"correct horse": true, "correct horse ": false, "Correct horse": false, "": false,
	} {
		if got := h.matches(p, password); got != want {
			t.Errorf("matches(%q) = %t, want %t", password, got, want)
		}
	}
}

func TestDefaultCost(t *testing.T) {
	hash, err := NewHasher(Cost{}).Hash(t.Context(), "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	if want := "$argon2id$v=19$m=19456,t=2,p=1$"; !strings.HasPrefix(hash, want) {
		t.Errorf("got %q, want it to begin with %q", hash, want)
	}
}

// bcrypt would take these for one password.
func TestNothingTruncated(t *testing.T) {
	h := NewHasher(cheap)
	for _, n := range []int{72, maxPassword - 1} {
		stem := strings.Repeat("x", n)
		hash, err := h.Hash(t.Context(), stem+"a")
		if err != nil {
			t.Fatal(err)
		}
		p, err := parsePHC(hash)
		if err != nil {
			t.Fatal(err)
		}
		if h.matches(p, stem+"b") || h.matches(p, stem) {
			t.Errorf("a password differing at byte %d matches", n+1)
		}
		if !h.matches(p, stem+"a") {
			t.Errorf("the password of %d bytes does not match", n+1)
		}
	}
}

func FuzzPHC(f *testing.F) {
	for _, c := range reference {
		f.Add(c.hash)
	}
	f.Add("$argon2id$v=19$m=1048576,t=10,p=16$AAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA")
	f.Add("$argon2id$v=19$m=8,t=1,p=1$$")
	f.Add("$$$$$")
	f.Fuzz(func(t *testing.T, s string) {
		p, err := parsePHC(s)
		if err != nil {
			return
		}
		if p.String() != s {
			t.Errorf("%q is another spelling of %q", s, p)
		}
		c := p.cost
		if c.Memory > maxMemory || c.Time < 1 || c.Time > maxTime || c.Threads < 1 || c.Threads > maxThreads {
			t.Errorf("cost %+v is out of bounds", c)
		}
		if len(p.salt) > maxSalt || len(p.sum) < minSum || len(p.sum) > maxSum {
			t.Errorf("salt of %d and sum of %d bytes are out of bounds", len(p.salt), len(p.sum))
		}
	})
}
