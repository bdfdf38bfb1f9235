package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"symbolon/internal/token"
)

// overlap is how long the old secret goes on beside the new one.
type overlap struct {
	Seconds int64 `json:"overlap_seconds" minimum:"0" maximum:"2592000" doc:"How long the old secret goes on beside the new one, at most 30 days; 0 ends it at once."`
}

func (o overlap) duration() time.Duration { return time.Duration(o.Seconds) * time.Second }

// rotation names what is rotated, and how.
type rotation struct {
	ByID
	Body overlap
}

func rotateOp(tag, id, path, summary, text string) huma.Operation {
	return huma.Operation{OperationID: id, Method: http.MethodPost, Path: path, Tags: []string{tag}, Summary: summary, Description: text,
		DefaultStatus: http.StatusCreated, Errors: []int{http.StatusNotFound, http.StatusConflict}}
}

func (a *API) rotations() {
	key := rotateOp(tagKeys, "rotate-key", "/keys/{id}/rotate", "Put a new secret in place of an API key's",
		"The new one has the name of the old one, and is valid for as long, counted from now. A key may rotate itself; for others it takes a session.")
	declare(a, key, a.rotateKey)
	app := rotateOp(tagApps, "rotate-application", "/applications/{id}/rotate", "Put a new application token in place of one",
		"Takes a session.")
	declare(a, app, a.rotateApplication)
}

func (a *API) rotateKey(ctx context.Context, v *visitor, in *rotation) (*answer[madeKey], error) {
	g, err := a.find(ctx, v.caller(), v.ID, in.ID, token.APIKey)
	if err != nil {
		return nil, err
	}
	if g.ID != v.by.ID {
		if err := v.inSession(); err != nil {
			return nil, err
		}
	}
	text, g, err := a.Engine.RotateKey(ctx, v.caller(), g.ID, in.Body.duration())
	if err != nil {
		return nil, err
	}
	return say(madeKey{Token: a.tokenOf(g), Key: text.Reveal()}), nil
}

func (a *API) rotateApplication(ctx context.Context, v *visitor, in *rotation) (*answer[made], error) {
	if err := v.inSession(); err != nil {
		return nil, err
	}
	g, err := a.find(ctx, v.caller(), v.ID, in.ID, token.Application)
	if err != nil {
		return nil, err
	}
	t, err := a.Engine.RotateApplication(ctx, v.caller(), g.ID, in.Body.duration())
	if err != nil {
		return nil, err
	}
	return a.handOut(ctx, t)
}
