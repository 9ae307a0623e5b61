"""Running the queue: the scheduler, the trainers and the projector. Only `actors` imports ray."""
