"""Puts sound back in step with its picture on an OpenTimelineIO timeline."""
