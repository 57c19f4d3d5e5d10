// Package api serves openapi.yaml.
package api
