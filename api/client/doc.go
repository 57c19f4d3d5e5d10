// Package client is the Go client of the API, generated from openapi.yaml. Only this file and key.go are written by hand.
package client

//go:generate go -C ../../tools tool oapi-codegen -config ../api/client/config.yaml ../openapi.yaml
