package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// keeper holds the newest of a document that is fetched again and again. Reading it takes no lock.
type keeper[T any] struct {
	// fetch brings the next, given the present (nil at first), and says when to come again. What it returns is
	// never changed.
	fetch func(ctx context.Context, have *T) (next *T, again time.Duration, err error)

	value atomic.Pointer[T]
	wake  chan struct{} // holds at most one
	mu    sync.Mutex
	round chan struct{} // closed at the end of the next attempt
	ended time.Time     // when the last attempt ended; zero before the first
	err   error         // how
}

func newKeeper[T any](fetch func(context.Context, *T) (*T, time.Duration, error)) *keeper[T] {
	return &keeper[T]{fetch: fetch, wake: make(chan struct{}, 1), round: make(chan struct{})}
}

// longestWait bounds the backoff of what is needed within a list's life of a minute.
const longestWait = 10 * time.Second

// run fetches until ctx ends.
func (k *keeper[T]) run(ctx context.Context) {
	for failures := 0; ctx.Err() == nil; {
		next, again, err := k.fetch(ctx, k.value.Load())
		if err == nil {
			k.value.Store(next)
			failures = 0
		} else {
			failures++
			again = min(backoff(failures), longestWait)
		}
		k.finish(err)
		select {
		case <-ctx.Done():
		case <-k.wake:
		case <-time.After(again):
		}
	}
}

func (k *keeper[T]) finish(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.ended, k.err = time.Now(), err
	close(k.round)
	k.round = make(chan struct{})
}

// hurry asks for a fetch that begins after now, and does not wait for it.
func (k *keeper[T]) hurry() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// await waits for the end of a fetch, unless the last one ended less than gap ago.
func (k *keeper[T]) await(ctx context.Context, gap time.Duration) {
	k.mu.Lock()
	recent, round := !k.ended.IsZero() && time.Since(k.ended) < gap, k.round
	first := k.ended.IsZero()
	k.mu.Unlock()
	if recent {
		return
	}
	if !first { // the first fetch is under way without being asked for
		k.hurry()
	}
	select {
	case <-round:
	case <-ctx.Done():
	}
}

func (k *keeper[T]) lastError() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.err
}

// document is an answer of the server that may be kept.
type document struct {
	text    []byte
	etag    string
	maxAge  time.Duration // 0 when the answer names none
	fetched time.Time     // when it was asked for, so that it is no older than it seems
	same    bool          // 304: text is the one before
}

// fetchDocument gets a public document, or learns that the one with the tag is still the newest.
func fetchDocument(ctx context.Context, client *http.Client, address, mediaType, etag string, limit int64) (document, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return document{}, err
	}
	req.Header.Set("Accept", mediaType)
	if etag != "" {
		req.Header.Set("If-None-Match", etag)
	}
	d := document{fetched: time.Now()}
	resp, err := client.Do(req)
	if err != nil {
		return document{}, err
	}
	defer resp.Body.Close()
	d.maxAge = maxAge(resp.Header)
	switch {
	case resp.StatusCode == http.StatusNotModified && etag != "":
		d.same, d.etag = true, etag
		return d, nil
	case resp.StatusCode != http.StatusOK:
		return document{}, fmt.Errorf("%s answered %d", address, resp.StatusCode)
	}
	if got, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";"); !strings.EqualFold(strings.TrimSpace(got), mediaType) {
		return document{}, fmt.Errorf("%s did not answer with %s", address, mediaType)
	}
	d.etag = resp.Header.Get("ETag")
	d.text, err = io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err == nil && int64(len(d.text)) > limit {
		err = errors.New("it is too long")
	}
	if err != nil {
		return document{}, fmt.Errorf("reading %s: %w", address, err)
	}
	return d, nil
}

func maxAge(h http.Header) time.Duration {
	for _, line := range h.Values("Cache-Control") {
		for part := range strings.SplitSeq(line, ",") {
			text, ok := strings.CutPrefix(strings.ToLower(strings.TrimSpace(part)), "max-age=")
			if seconds, err := strconv.ParseUint(text, 10, 31); ok && err == nil {
				return time.Duration(seconds) * time.Second
			}
		}
	}
	return 0
}
