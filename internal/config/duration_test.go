package config

import (
	"errors"
	"testing"
	"time"
)

func TestParseDuration(t *testing.T) {
	tests := []struct {
		in   string
		want time.Duration
		text string // as String writes it
	}{
		{"900s", 15 * time.Minute, "15m"},
		{"15m", 15 * time.Minute, "15m"},
		{"8h", 8 * time.Hour, "8h"},
		{"30d", 720 * time.Hour, "30d"},
		{"1d12h", 36 * time.Hour, "1d12h"},
		{"1d2h3m4s", 26*time.Hour + 3*time.Minute + 4*time.Second, "1d2h3m4s"},
		{"3600", time.Hour, "1h"},
		{"0", 0, "0s"},
		{"0s", 0, "0s"},
		{"36h", 36 * time.Hour, "1d12h"},
		{"0090s", 90 * time.Second, "1m30s"},
		{"106751d", 106751 * 24 * time.Hour, "106751d"},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			got, err := ParseDuration(tt.in)
			if err != nil || time.Duration(got) != tt.want {
				t.Fatalf("got %v, %v, want %v", got, err, tt.want)
			}
			if got.String() != tt.text {
				t.Errorf("String is %s, want %s", got, tt.text)
			}
		})
	}
}

func TestParseDurationRefuses(t *testing.T) {
	for _, in := range []string{
		"", "-5s", "+5s", "1.5h", "5 s", "s", "d", "5x", "5ms", "12h1d", "1h1h", "1d5", "5S", "1d-2h",
		"106752d", "9223372037", "99999999999999999999", "106751d24h", "٣s",
	} {
		t.Run(in, func(t *testing.T) {
			if got, err := ParseDuration(in); !errors.Is(err, ErrDuration) {
				t.Errorf("got %v, %v, want ErrDuration", got, err)
			}
		})
	}
}

func TestDurationOfOtherFormsPrintsAsGoDoes(t *testing.T) {
	if got := Duration(1500 * time.Millisecond).String(); got != "1.5s" {
		t.Errorf("got %s", got)
	}
	if got := Duration(-time.Hour).String(); got != "-1h0m0s" {
		t.Errorf("got %s", got)
	}
}

func FuzzParseDuration(f *testing.F) {
	for _, s := range []string{"900s", "1d12h", "0", "-1", "106752d", "1h1d"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := ParseDuration(s)
		if err != nil {
			return
		}
		if again, err := ParseDuration(d.String()); err != nil || again != d || d < 0 {
			t.Errorf("%q is %d, printed %s, read back as %d, %v", s, d, d, again, err)
		}
	})
}
