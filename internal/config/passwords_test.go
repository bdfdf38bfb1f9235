package config

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The two dialects that people sign in to with a password.
func TestPasswordDialects(t *testing.T) {
	good := func() *Config {
		c := newConfig()
		c.BaseURL = "https://ca.example.org:8443"
		c.Services = []Service{NewService("collections", "collectiveaccess", "/"), NewService("warehouse", "itempath", "/api")}
		return c
	}
	for name, tc := range map[string]struct {
		change func(c *CollectiveAccess, i *ItemPath)
		want   string
	}{
		"defaults":           {func(*CollectiveAccess, *ItemPath) {}, ""},
		"short refresh":      {func(c *CollectiveAccess, _ *ItemPath) { c.RefreshLifetime = 5 }, "graphql_services_jwt_refresh_token_lifetime 5ns is shorter than"},
		"no access lifetime": {func(c *CollectiveAccess, _ *ItemPath) { c.AccessLifetime = -1 }, "graphql_services_jwt_access_token_lifetime -1ns is out of range"},
		"style":              {func(c *CollectiveAccess, _ *ItemPath) { c.ErrorStyle = "v13" }, "errorStyle"},
		"shared, no key":     {func(c *CollectiveAccess, _ *ItemPath) { c.KeyShared = true }, "key_shared is set without"},
		"weak, no key":       {func(c *CollectiveAccess, _ *ItemPath) { c.LegacyWeakKey = true }, "legacy_weak_key is set without"},
		"login status":       {func(_ *CollectiveAccess, i *ItemPath) { i.LoginFailureStatus = 403 }, "login_failure_status 403 is not one that clients know; set 404 or 401"},
		"token status":       {func(_ *CollectiveAccess, i *ItemPath) { i.InvalidTokenStatus = 400 }, "invalid_token_status 400 is not one that clients know; set 422 or 401"},
		"life":               {func(_ *CollectiveAccess, i *ItemPath) { i.ApplicationLife = -1 }, "application_life"},
		"no admins":          {func(_ *CollectiveAccess, i *ItemPath) { i.AdminGroup = "" }, "admin_group is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			c := good()
			tc.change(c.Services[0].CollectiveAccess, c.Services[1].ItemPath)
			c.Resolve()
			err := c.Check()
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
	c := good()
	c.Resolve()
	s := c.Services[0]
	got := []any{s.Issuer, time.Duration(s.AccessLifetime), time.Duration(s.RefreshLifetime), len(c.Warnings())}
	if diff := cmp.Diff([]any{"ca.example.org:8443", 15 * time.Minute, 7 * 24 * time.Hour, 1}, got); diff != "" {
		t.Errorf("resolved (-want +got):\n%s", diff)
	}
	if _, err := Load(Sources{File: filepath.Join(folder(t, "symbolon.yaml", string(c.Marshal())), "symbolon.yaml")}); err != nil {
		t.Errorf("what Marshal wrote: %v", err)
	}
}
