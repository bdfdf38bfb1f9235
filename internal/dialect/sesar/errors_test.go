package sesar

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"symbolon/internal/config"
	"symbolon/internal/httpio"
	"symbolon/internal/token"
)

func render(b *strings.Builder, name string, r httpio.Response) {
	fmt.Fprintf(b, "# %s\n%d\n", name, r.Status)
	for _, h := range slices.Sorted(maps.Keys(r.Header)) {
		fmt.Fprintf(b, "%s: %s\n", h, r.Header.Get(h))
	}
	fmt.Fprintf(b, "%s\n\n", r.Body)
}

func TestEveryCode(t *testing.T) {
	var b strings.Builder
	for _, x := range []struct {
		name  string
		table table
	}{
		{"refresh_token.php", refreshErrors},
		{"credentials_service_v2.php", credentialErrors},
		{"auth/token/", mintErrors},
		{"auth/token/refresh/", refreshJSONErrors},
		{"auth/token/blacklist/", blacklistErrors},
		{"auth/user/ and auth/token/blacklist-all/", bearerErrors},
	} {
		for _, code := range token.Codes() {
			render(&b, x.name+": "+code.String(), x.table.answer(&token.Error{Code: code, Err: errors.New("private reason")}))
		}
		render(&b, x.name+": an error of another kind", x.table.answer(errors.New("private reason")))
	}
	golden(t, "codes.golden", b.String())
}

func TestFailed(t *testing.T) {
	c := config.NewService("samples", "sesar", "/webservices")
	d, err := New(c, Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, status := range []int{400, 408, 413, 500, 503} {
		render(&b, http.StatusText(status), d.Failed(status))
	}
	golden(t, "failed.golden", b.String())
}

func TestRetryAfter(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"unknown":     {errors.New("x"), "1"},
		"not said":    {token.Refuse(token.TooMany, "x"), "1"},
		"said":        {&token.Error{Code: token.TooMany, RetryAfter: 90 * time.Second}, "90"},
		"rounded up":  {&token.Error{Code: token.Unavailable, RetryAfter: 1500 * time.Millisecond}, "2"},
		"less than 1": {&token.Error{Code: token.Unavailable, RetryAfter: time.Millisecond}, "1"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := retryAfter(c.err); got != c.want {
				t.Errorf("Retry-After %s, want %s", got, c.want)
			}
		})
	}
}

func TestNewNeedsItsSettings(t *testing.T) {
	_, err := New(config.NewService("ecology", "edi", "/auth"), Options{Log: slog.New(slog.DiscardHandler)})
	if want := "service ecology has no settings of dialect sesar"; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}
