//! Argo Events as a library: event sources, buses, sensors and triggers behind traits, with at-least-once delivery.
