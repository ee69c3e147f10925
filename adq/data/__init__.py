"""Images and labels: CIFAR-10, digits, folders; augmentation and batches."""
