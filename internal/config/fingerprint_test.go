package config

import (
	"testing"
	"time"
)

func TestFingerprint(t *testing.T) {
	base := func() *Config { return Dev("/srv/a", "127.0.0.1:8080") }
	same := base()
	same.Data, same.LogLevel, same.Store, same.MetricsListen = "/srv/b", "debug", "postgres://u:secret@h/d", "127.0.0.1:9090"
	same.MasterKeyFile, same.TrustedProxies = "/etc/key", []string{"10.0.0.1"}
	if base().Fingerprint() != same.Fingerprint() {
		t.Error("what each server has for itself changes the fingerprint")
	}
	for name, change := range map[string]func(*Config){
		"base_url":   func(c *Config) { c.BaseURL = "https://tokens.example.org" },
		"bound":      func(c *Config) { c.RevocationBound = Duration(2 * time.Second) },
		"lifetime":   func(c *Config) { c.Services[0].AccessLifetime++ },
		"a key file": func(c *Config) { c.Services[0].Sesar.AccessKeyFile = "/etc/access.pem" },
		"a service":  func(c *Config) { c.Services = c.Services[1:] },
	} {
		c := base()
		change(c)
		if c.Fingerprint() == base().Fingerprint() {
			t.Errorf("%s does not change the fingerprint", name)
		}
	}
}
